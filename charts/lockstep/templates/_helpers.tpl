{{/* Name of the objects of this release; at most 52 characters, so that suffixes fit. */}}
{{- define "lockstep.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains "lockstep" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-lockstep" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the operator's pods. A Deployment's selector is immutable: these must never change. */}}
{{- define "lockstep.selectorLabels" -}}
app.kubernetes.io/name: lockstep-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lockstep.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "lockstep.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: lockstep
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lockstep.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "lockstep.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "set serviceAccount.name when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* An image's reference. Takes a dict of image and appVersion; a digest wins over a tag. */}}
{{- define "lockstep.image" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" .image.registry) .image.repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .appVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What the operator may do in the namespaces that it watches. */}}
{{- define "lockstep.rules" -}}
# What users ask for.
- apiGroups: [serving.lockstep.dev]
  resources: [inferenceservices]
  verbs: [get, list, watch]
- apiGroups: [serving.lockstep.dev]
  resources: [inferenceservices/status]
  verbs: [update]
# Owner references with blockOwnerDeletion ask for this where the OwnerReferencesPermissionEnforcement plug-in is on.
- apiGroups: [serving.lockstep.dev]
  resources: [inferenceservices/finalizers]
  verbs: [update]
# What the operator makes of it.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# The number of replicas of what sleeps and wakes.
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch, delete]
# What brings requests to the operator while no replica is ready.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch, create, patch, delete]
# The record of which version is served is replaced as a whole, if it is what it was.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [update]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# Why a replica does not serve.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# A replica that stays silent keeps all others from changing to a new version.
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
# What it tells people.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
