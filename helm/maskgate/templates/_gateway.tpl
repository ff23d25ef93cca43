{{/* The gateway's settings (docs/settings.md), as environment. */}}
{{- define "maskgate.gateway.env" -}}
- { name: MASKGATE_HOST, value: "0.0.0.0" }
- { name: MASKGATE_GRPC_PORT, value: "50051" }
- { name: MASKGATE_HTTP_PORT, value: "8080" }
- { name: MASKGATE_WORKERS, value: {{ .Values.gateway.workers | quote }} }
- { name: MASKGATE_MODELS, value: {{ .Values.models.names | toJson | quote }} }
- { name: MASKGATE_TRITON_URL, value: "127.0.0.1:8001" }
{{- if include "maskgate.isSplit" . }}
- { name: MASKGATE_ENCODER_URL, value: "{{ include "maskgate.fullname" . }}-encoder:8001" }
- { name: MASKGATE_ENCODER_START_SECONDS, value: {{ include "maskgate.encoderStartSeconds" . | quote }} }
{{- end }}
{{- include "maskgate.gateway.redis" . }}
{{- include "maskgate.gateway.memory" .Values.gateway }}
{{- include "maskgate.gateway.guard" . }}
- { name: MASKGATE_STOP_DELAY_SECONDS, value: {{ .Values.gateway.stopDelaySeconds | quote }} }
- { name: MASKGATE_DRAIN_SECONDS, value: {{ .Values.gateway.drainSeconds | quote }} }
{{- with .Values.tracing.endpoint }}
- { name: MASKGATE_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- range $name, $value := .Values.gateway.settings }}
{{- /* As JSON: large numbers would get an exponent otherwise. */}}
- { name: MASKGATE_{{ upper $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }} }
{{- end }}
{{- end }}

{{- define "maskgate.gateway.redis" }}
{{- if .Values.redis.bundled }}
- { name: MASKGATE_REDIS_URL, value: "redis://{{ include "maskgate.fullname" . }}-valkey:6379/0" }
{{- else }}
- name: MASKGATE_REDIS_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.redis.existingSecret }}, key: {{ .Values.redis.key }} } }
{{- end }}
{{- end }}

{{- define "maskgate.gateway.memory" }}
- { name: MASKGATE_EMBEDDING_MEMORY_BYTES, value: {{ mul .embeddingsMiB 1048576 | quote }} }
- { name: MASKGATE_IMAGE_MEMORY_BYTES, value: {{ mul .imagesMiB 1048576 | quote }} }
- { name: MASKGATE_MASK_MEMORY_BYTES, value: {{ mul .masksMiB 1048576 | quote }} }
{{- end }}

{{- define "maskgate.gateway.guard" }}
{{- if .Values.auth.existingSecret }}
- { name: MASKGATE_API_KEYS_FILE, value: /etc/maskgate/keys/{{ .Values.auth.key }} }
{{- else }}
- { name: MASKGATE_INSECURE, value: "true" }
{{- end }}
{{- if .Values.tls.existingSecret }}
- { name: MASKGATE_TLS_CERT_FILE, value: /etc/maskgate/tls/tls.crt }
- { name: MASKGATE_TLS_KEY_FILE, value: /etc/maskgate/tls/tls.key }
{{- with .Values.tls.clientCaKey }}
- { name: MASKGATE_TLS_CLIENT_CA_FILE, value: /etc/maskgate/tls/{{ . }} }
{{- end }}
{{- end }}
{{- end }}

{{/* How long an encoder usually takes to come: no time where there always is one. */}}
{{- define "maskgate.encoderStartSeconds" -}}
{{- $fewest := 0 -}}
{{- range (include "maskgate.encoders" . | fromJson).all }}{{ $fewest = add $fewest .minReplicas }}{{ end -}}
{{- if and (include "maskgate.isScaled" .) (eq 0 (int $fewest)) }}{{ .Values.encoder.usualStartSeconds }}{{ else }}0{{ end -}}
{{- end }}

{{/* Takes (list root path): asked over HTTP, or just for a connection where a kubelet would need a certificate. */}}
{{- define "maskgate.gateway.probe" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.tls.clientCaKey -}}
tcpSocket: { port: http }
{{- else -}}
httpGet: { path: {{ index . 1 }}, port: http, scheme: {{ $root.Values.tls.existingSecret | empty | ternary "HTTP" "HTTPS" }} }
{{- end -}}
{{- end }}

{{- define "maskgate.gateway.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: dshm, mountPath: /dev/shm }
{{- if .Values.auth.existingSecret }}
- { name: keys, mountPath: /etc/maskgate/keys, readOnly: true }
{{- end }}
{{- if .Values.tls.existingSecret }}
- { name: tls, mountPath: /etc/maskgate/tls, readOnly: true }
{{- end }}
{{- end }}

{{- define "maskgate.gateway.volumes" -}}
{{- with .Values.auth.existingSecret }}
- { name: keys, secret: { secretName: {{ . }}, defaultMode: 0440 } }
{{- end }}
{{- with .Values.tls.existingSecret }}
- { name: tls, secret: { secretName: {{ . }}, defaultMode: 0440 } }
{{- end }}
{{- end }}

{{/* gRPC in the clear is HTTP/2 without a handshake, which a balancer has to be told. */}}
{{- define "maskgate.gateway.servicePorts" -}}
{{- $isClear := empty .Values.tls.existingSecret -}}
- { name: grpc, port: 50051, targetPort: grpc, appProtocol: {{ $isClear | ternary "kubernetes.io/h2c" "https" }} }
- { name: http, port: 8080, targetPort: http, appProtocol: {{ $isClear | ternary "http" "https" }} }
{{- end }}
