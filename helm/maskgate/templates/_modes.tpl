{{/* What the values come to. Each prints a word, or nothing for "no". */}}

{{- define "maskgate.isSplit" -}}
{{- if eq .Values.topology "split" }}yes{{ end -}}
{{- end }}

{{/* keda, hpa or off. */}}
{{- define "maskgate.scaling" -}}
{{- $mode := .Values.autoscaling.mode -}}
{{- if eq $mode "auto" -}}
{{- $mode = .Capabilities.APIVersions.Has "keda.sh/v1alpha1" | ternary "keda" "off" -}}
{{- end -}}
{{- $mode -}}
{{- end }}

{{- define "maskgate.isScaled" -}}
{{- if ne (include "maskgate.scaling" .) "off" }}yes{{ end -}}
{{- end }}

{{- define "maskgate.isMonitored" -}}
{{- $mode := .Values.monitoring.mode -}}
{{- if or (eq $mode "on") (and (eq $mode "auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}yes{{ end -}}
{{- end }}

{{/* Whether somebody outside of the cluster gets in. */}}
{{- define "maskgate.isExposed" -}}
{{- $ingress := .Values.ingress -}}
{{- if or $ingress.restHost $ingress.grpcHost .Values.gatewayApi.gateway (eq .Values.service.type "LoadBalancer") }}yes{{ end -}}
{{- end }}

{{/* The Deployments of encoders, as JSON: for each GPU model, or one on CPUs. Of their numbers of pods each GPU model may
     have its own, 0 among them, which Sprig's `merge` would take for none. */}}
{{- define "maskgate.encoders" -}}
{{- $root := . -}}
{{- $encoders := list -}}
{{- if include "maskgate.isSplit" . -}}
{{- range $gpu := keys .Values.gpus | sortAlpha | default (list "") -}}
{{- $it := dict "gpu" $gpu "name" (printf "%s-encoder-%s" (include "maskgate.fullname" $root) ($gpu | default "cpu")) -}}
{{- $own := get $root.Values.gpus $gpu | default dict -}}
{{- range $key := list "replicas" "minReplicas" "maxReplicas" -}}
{{- $_ := set $it $key (get (hasKey $own $key | ternary $own $root.Values.encoder) $key) -}}
{{- end -}}
{{- $encoders = append $encoders $it -}}
{{- end -}}
{{- end -}}
{{- dict "all" $encoders | toJson -}}
{{- end }}
