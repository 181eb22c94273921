{{- define "weir.name" -}}
{{- if contains "weir" .Release.Name }}{{ .Release.Name | trunc 50 }}{{ else }}{{ printf "%s-weir" .Release.Name | trunc 50 }}{{ end -}}
{{- end }}

{{/* Takes a dict of root and component. */}}
{{- define "weir.selector" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The pod of a component: a dict of root, component and values (of gateway or loader). */}}
{{- define "weir.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "weir.labels" . | nindent 4 }}
  annotations:
    checksum/config: {{ $root.Values.config | sha256sum }}
spec:
  automountServiceAccountToken: false
  # A Service called weir would set variables that begin as Weir's own do.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $root.Values.user }}
    runAsGroup: {{ $root.Values.user }}
    fsGroup: {{ $root.Values.user }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: weir
      image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [serve]
      env:
        - { name: WEIR_CONFIG, value: /etc/weir/weir.toml }
        - { name: WEIR_DATA, value: /var/lib/weir }
        - { name: WEIR_LISTEN, value: "0.0.0.0:8080" }
        - { name: WEIR_ADMIN, value: "0.0.0.0:9464" }
        - { name: WEIR_LOG_FORMAT, value: json }
        {{- if eq .component "loader" }}
        - { name: WEIR_ONLY, value: load }
        {{- else if $root.Values.loader.replicas }}
        - { name: WEIR_ONLY, value: gateway }
        {{- end }}
        {{- with .values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        {{- if eq .component "gateway" }}
        - { name: clients, containerPort: 8080 }
        {{- end }}
        - { name: operators, containerPort: 9464 }
      # A start may take as long as it takes to read what the last one left.
      startupProbe:
        httpGet: { path: /livez, port: operators }
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: { path: /livez, port: operators }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: operators }
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      # Until no new requests are sent here: Weir is still ready then.
      lifecycle:
        preStop: { sleep: { seconds: 5 } }
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      resources: {{ toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/weir, readOnly: true }
        - { name: data, mountPath: /var/lib/weir }
        - { name: tmp, mountPath: /tmp }
        {{- if $root.Values.secretFiles }}
        - { name: secrets, mountPath: /run/secrets/weir, readOnly: true }
        {{- end }}
        {{- if and $root.Values.tlsSecret (eq .component "gateway") }}
        - { name: tls, mountPath: /run/tls/weir, readOnly: true }
        {{- end }}
  volumes:
    - name: config
      configMap: { name: {{ include "weir.name" $root }} }
    - name: tmp
      emptyDir: {}
    {{- if eq .component "loader" }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- with $root.Values.secretFiles }}
    - name: secrets
      secret: { secretName: {{ . }}, defaultMode: 0440 }
    {{- end }}
    {{- if and $root.Values.tlsSecret (eq .component "gateway") }}
    - name: tls
      secret: { secretName: {{ $root.Values.tlsSecret }}, defaultMode: 0440 }
    {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "weir.selector" . | nindent 10 }}
{{- end }}
