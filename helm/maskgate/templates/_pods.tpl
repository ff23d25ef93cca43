{{/* What pods have in common: the restricted security standard, GPUs, and where they run. */}}

{{/* No root, no token. The user is the same everywhere: what lies in /dev/shm is its owner's alone. */}}
{{- define "maskgate.pod" -}}
serviceAccountName: {{ include "maskgate.fullname" . }}
{{ include "maskgate.withoutAccount" . }}
{{- end }}

{{- define "maskgate.withoutAccount" -}}
automountServiceAccountToken: false
# Kubernetes would set a MASKGATE_…_PORT for each Service, which look like settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "maskgate.container" -}}
imagePullPolicy: {{ .Values.images.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* Request and limit alike: what is promised is there, and a neighbour takes none of it. Takes (list cores MiB gpu). */}}
{{- define "maskgate.resources" -}}
{{- $amounts := dict "cpu" (index . 0 | toString) "memory" (printf "%dMi" (int64 (index . 1))) -}}
{{- if index . 2 }}{{ $_ := set $amounts "nvidia.com/gpu" "1" }}{{ end -}}
requests: {{- toYaml $amounts | nindent 2 }}
limits: {{- toYaml $amounts | nindent 2 }}
{{- end }}

{{/* Which nodes. Takes (list root gpu selector tolerations). */}}
{{- define "maskgate.nodes" -}}
{{- $root := index . 0 -}}{{- $gpu := index . 1 -}}
{{- $selector := index . 2 -}}{{- $tolerations := index . 3 -}}
{{- if $gpu -}}
{{- with (index $root.Values.gpus $gpu).product -}}
{{- $selector = merge (dict "nvidia.com/gpu.product" .) $selector -}}
{{- end -}}
{{- $tolerations = append $tolerations (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") -}}
{{- with $root.Values.gpuRuntimeClass -}}
runtimeClassName: {{ . }}
{{ end -}}
{{- end -}}
{{- with $selector -}}
nodeSelector: {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with $tolerations -}}
tolerations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{/* Over zones and nodes, as evenly as it goes: a zone that is full is better than a pod that waits. Takes a selector. */}}
{{- define "maskgate.spread" -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    # During a rollout the pods that go do not count.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- $ | nindent 8 }}
  {{- end }}
{{- end }}
