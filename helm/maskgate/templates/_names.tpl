{{/* Names, labels and images. */}}

{{/* The release's name, which holds the chart's, or both. Of the 63 characters that the name of a Job may have, 34 leave
     room for what is appended: -encoder- and the name of a GPU model. */}}
{{- define "maskgate.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) -}}{{- $name = printf "%s-%s" $name .Chart.Name -}}{{- end -}}
{{- $name | trunc 34 | trimSuffix "-" -}}
{{- end }}

{{/* What a selector selects by. Takes (list root component). */}}
{{- define "maskgate.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of an object. Takes (list root component). */}}
{{- define "maskgate.labels" -}}
{{- $root := index . 0 -}}
{{ include "maskgate.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{/* Name and labels of an object. Takes (list root component name). */}}
{{- define "maskgate.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels: {{- include "maskgate.labels" (list $root (index . 1)) | nindent 2 }}
{{- end }}

{{/* An image of ours: by its digest, if there is one. Takes (list root image). */}}
{{- define "maskgate.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- with $root.Values.images.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- include "maskgate.imageName" (list $image $root.Chart.AppVersion) -}}
{{- end }}

{{/* Takes (list image default-tag). */}}
{{- define "maskgate.imageName" -}}
{{- $image := index . 0 -}}
{{- $image.name -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (index . 1) }}{{ end -}}
{{- end }}
