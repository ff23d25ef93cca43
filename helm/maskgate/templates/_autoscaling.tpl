{{/* A file of the chart, about this release: in the file itself it is called "maskgate". Takes (list root path). */}}
{{- define "maskgate.file" -}}
{{- $root := index . 0 -}}
{{- $scope := printf "release=%q,namespace=%q" (include "maskgate.fullname" $root) $root.Release.Namespace -}}
{{- $root.Files.Get (index . 1) | replace "release=\"maskgate\"" $scope -}}
{{- end }}

{{- define "maskgate.externalMetric" -}}
{{- printf "%s_%s" (include "maskgate.fullname" (index . 0)) (index . 1) | replace "-" "_" -}}
{{- end }}

{{/* What one replica takes of a signal, of several Deployments that share it. Takes (list root signal share). */}}
{{- define "maskgate.target" -}}
{{- $signal := index . 1 -}}
{{- mulf (get (index . 0).Values.autoscaling.targets $signal.name | default $signal.target) (index . 2) -}}
{{- end }}

{{/* Takes (list root target). */}}
{{- define "maskgate.keda" -}}
{{- $root := index . 0 -}}{{- $it := index . 1 -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{- include "maskgate.metadata" (list $root $it.component $it.name) | nindent 2 }}
spec:
  scaleTargetRef: { name: {{ $it.name }} }
  minReplicaCount: {{ $it.minReplicas }}
  maxReplicaCount: {{ $it.maxReplicas }}
  pollingInterval: {{ $it.tier.pollingSeconds }}
  cooldownPeriod: {{ $it.tier.cooldownSeconds }}
  # While Prometheus is away.
  fallback: {{- toYaml $it.tier.fallback | nindent 4 }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- toYaml $it.tier.behavior | nindent 8 }}
  triggers:
    {{- range $it.signals }}
    - type: prometheus
      name: {{ .name }}
      metricType: AverageValue
      metadata:
        serverAddress: {{ $root.Values.autoscaling.prometheus }}
        query: {{ .query | quote }}
        threshold: {{ include "maskgate.target" (list $root . $it.share) | quote }}
        activationThreshold: {{ .activation | toString | quote }}
        # No answer is an answer that is missing: the fallback, and not none at all.
        ignoreNullValues: "false"
    {{- end }}
{{- end }}

{{/* Takes (list root target). */}}
{{- define "maskgate.hpa" -}}
{{- $root := index . 0 -}}{{- $it := index . 1 -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{- include "maskgate.metadata" (list $root $it.component $it.name) | nindent 2 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $it.name }} }
  minReplicas: {{ $it.minReplicas }}
  maxReplicas: {{ $it.maxReplicas }}
  behavior: {{- toYaml $it.tier.behavior | nindent 4 }}
  metrics:
    {{- range $it.signals }}
    - type: External
      external:
        metric: { name: {{ include "maskgate.externalMetric" (list $root .name) }} }
        {{- /* Thousandths: a quantity of Kubernetes knows no others. */}}
        target: { type: AverageValue, averageValue: {{ include "maskgate.target" (list $root . $it.share) | float64 | mulf 1000 | int64 }}m }
    {{- end }}
{{- end }}
