{{/* Triton: its command line, its files, and how it is known to be well. service/maskgate/stack/triton.py starts it with
     the same options; tests/chart compares. */}}

{{/* The part of it that serves: (dict "root" . "gpu" name-or-empty "parts" (list …) "isShared" whether a gateway beside it
     shares its memory). */}}
{{- define "maskgate.triton.command" -}}
{{- $root := .root }}
- tritonserver
- --model-repository={{ include "maskgate.triton.repository" . }}
{{- if not .gpu }}
- --backend-directory=/opt/maskgate/backends
{{- end }}
- --backend-config=python,shm-region-prefix-name=triton
- --model-control-mode=explicit
- --disable-auto-complete-config
- --exit-on-error=true
- --exit-timeout-secs={{ .isShared | ternary (include "maskgate.decoderExitSeconds" .) (toString $root.Values.encoder.drainSeconds) }}
- --allow-http=false
- --grpc-address={{ .isShared | ternary "127.0.0.1" "0.0.0.0" }}
- --grpc-port=8001
- --grpc-http2-min-recv-ping-interval-without-data=10000
- --grpc-keepalive-permit-without-calls=1
{{- if .isShared }}
- --allow-client-shm=true
{{- else }}
- --grpc-max-connection-age=300000
- --grpc-max-connection-age-grace=30000
{{- end }}
- --metrics-address=0.0.0.0
- --metrics-port=8002
- --allow-gpu-metrics={{ .gpu | empty | not }}
- --log-format=ISO8601
{{- range $model := $root.Values.models.names }}
{{- range $part := $.parts }}
- --load-model={{ $model }}_{{ $part }}
{{- end }}
{{- end }}
{{- with $root.Values.tracing.endpoint }}
- --trace-config=mode=opentelemetry
- --trace-config=level=TIMESTAMPS
- --trace-config=rate=0
- --trace-config=opentelemetry,url={{ . | trimSuffix "/" }}/v1/traces
- --trace-config=opentelemetry,bsp_schedule_delay=1000
{{- end }}
{{- end }}

{{/* What a Triton beside a gateway gets to end: the gateway has ended its calls before. */}}
{{- define "maskgate.decoderExitSeconds" -}}10{{- end }}

{{/* Where the models are: plans lie in a folder for each image and each revision of the graphs, so that an upgrade
     changes nothing under those that still run, and a rollback finds what it left. */}}
{{- define "maskgate.triton.repository" -}}
{{- if .gpu -}}
/plans/{{ include "maskgate.plans.key" .root }}
{{- else -}}
{{- .root.Values.models.claim | empty | ternary "/opt/maskgate/models" "/models" -}}
{{- end -}}
{{- end }}

{{- define "maskgate.plans.key" -}}
{{- list (include "maskgate.image" (list . .Values.images.triton)) .Values.models.claim .Values.models.revision | join " " | sha256sum | trunc 12 -}}
{{- end }}

{{- define "maskgate.plans.claim" -}}
{{- printf "%s-plans-%s" (include "maskgate.fullname" .root) .gpu -}}
{{- end }}

{{- define "maskgate.triton.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: dshm, mountPath: /dev/shm }
{{- if .gpu }}
- { name: plans, mountPath: /plans, readOnly: true }
{{- else if .root.Values.models.claim }}
- { name: models, mountPath: /models, readOnly: true }
{{- end }}
{{- end }}

{{/* The volumes behind these, with so much shared memory: "shmMiB". */}}
{{- define "maskgate.triton.volumes" -}}
- { name: tmp, emptyDir: {} }
- { name: dshm, emptyDir: { medium: Memory, sizeLimit: {{ .shmMiB }}Mi } }
{{- if .gpu }}
- { name: plans, persistentVolumeClaim: { claimName: {{ include "maskgate.plans.claim" . }}, readOnly: true } }
{{- else if .root.Values.models.claim }}
- { name: models, persistentVolumeClaim: { claimName: {{ .root.Values.models.claim }}, readOnly: true } }
{{- end }}
{{- end }}

{{/* Where a Triton's Python backends keep what they have compiled, over restarts of the container. */}}
{{- define "maskgate.triton.env" -}}
- { name: HOME, value: /tmp }
{{- if not .gpu }}
- { name: MASKGATE_COMPILED_MODELS, value: /tmp/compiled }
{{- end }}
{{- end }}

{{/* A wrong plan is one line in the log of this container, rather than a Triton that does not become ready. */}}
{{- define "maskgate.triton.verify" -}}
- name: verify-plans
  image: {{ include "maskgate.image" (list .root .root.Values.images.triton) }}
  {{- include "maskgate.container" .root | nindent 2 }}
  command: [/bin/sh, -ec]
  args:
    - |
      for model in {{ join " " .root.Values.models.names }}; do
        python3 -m maskforge plan "$model" --verify --repository {{ include "maskgate.triton.repository" . }}
      done
  env:
    - { name: PYTHONPATH, value: /opt/maskgate/tools }
    - { name: HOME, value: /tmp }
  resources: {{- include "maskgate.resources" (list .cores .memoryMiB .gpu) | nindent 4 }}
  volumeMounts: {{- include "maskgate.triton.mounts" . | nindent 4 }}
{{- end }}
