{{- define "plexus-cds.name" -}}
{{- if contains "plexus-cds" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-plexus-cds" (.Release.Name | trunc 39 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "plexus-cds.selector" -}}
app.kubernetes.io/name: plexus-cds
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plexus-cds.labels" -}}
{{ include "plexus-cds.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "plexus-cds.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{- /* What all pods have in common; "restricted" of the Pod Security Standards, and no token of the cluster. */ -}}
{{- define "plexus-cds.pod" -}}
automountServiceAccountToken: false
# Otherwise a Service of this name would set PLEXUS_CDS_PORT=tcp://..., and more that is no setting.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "plexus-cds.container" -}}
image: {{ include "plexus-cds.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "plexus-cds.secretVolume" -}}
name: secret
secret:
  secretName: {{ .Values.secret.name }}
  defaultMode: 0440
{{- end -}}

{{- /* A pod that runs one command on the store: migrate or purge. */ -}}
{{- define "plexus-cds.storePod" -}}
metadata:
  labels:
    {{- include "plexus-cds.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .command }}
spec:
  restartPolicy: Never
  {{- include "plexus-cds.pod" .root | nindent 2 }}
  containers:
    - name: {{ .command }}
      args: [{{ .command }}]
      env:
        - name: PLEXUS_CDS_STORE_URL_FILE
          value: /run/secrets/plexus-cds/store_url
        {{- if hasKey .root.Values.settings "store_days" }}
        - name: PLEXUS_CDS_STORE_DAYS
          value: {{ toJson .root.Values.settings.store_days | quote }}
        {{- end }}
      {{- include "plexus-cds.container" .root | nindent 6 }}
      resources:
        requests:
          cpu: 100m
          memory: 128Mi
        limits:
          memory: 512Mi
      volumeMounts:
        - name: secret
          mountPath: /run/secrets/plexus-cds
          readOnly: true
        - name: tmp
          mountPath: /tmp
  volumes:
    - {{ include "plexus-cds.secretVolume" .root | indent 6 | trim }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
{{- end -}}

{{- define "plexus-cds.egress" -}}
- to: # DNS
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
{{- with .Values.networkPolicy.egressTo }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The folders below /etc/plexus-cds, each a ConfigMap, with their files. */ -}}
{{- define "plexus-cds.files" -}}
{{- if .Values.clients }}
clients: {{- merge (dict "clients.toml" .Values.clients) .Values.clientKeys | toYaml | nindent 2 }}
{{- end }}
site: {{- dict "site.toml" .Values.site | toYaml | nindent 2 }}
{{- if .Values.caCertificates }}
ca: {{- dict "ca.pem" .Values.caCertificates | toYaml | nindent 2 }}
{{- end }}
{{- end -}}
