# On every node with NBD: spawns its NBD server, starts it again when it ends, and reads what it prints.
variable "version" {
  type        = string
  description = "image tag of Salvor"
  default     = "latest"
}

variable "nats_servers" {
  type        = string
  description = "NATS servers, comma-separated"
  default     = "nats-1:4222,nats-2:4222,nats-3:4222"
}

variable "etcd_endpoints" {
  type        = string
  description = "etcd endpoints, comma-separated"
  default     = "etcd-1:2379,etcd-2:2379,etcd-3:2379"
}

job "salvor-log-watcher" {
  type        = "system"
  datacenters = ["*"]

  # One node after the other: clients of the next come back first.
  update {
    max_parallel     = 1
    stagger          = "30s"
    min_healthy_time = "10s"
    healthy_deadline = "5m"
  }

  group "log-watcher" {
    network {
      mode = "host"
      port "http" {}
      port "nbd" {
        static = 10809
      }
      port "nbd_http" {}
    }

    # For ever: what it needs may be away for long.
    restart {
      attempts = 10
      interval = "5m"
      delay    = "5s"
      mode     = "delay"
    }

    volume "state" {
      type   = "host"
      source = "salvor-state"
    }

    service {
      name     = "salvor-log-watcher"
      provider = "nomad"
      port     = "http"
      tags     = ["metrics"]

      check {
        name     = "ready"
        type     = "http"
        path     = "/readyz"
        interval = "5s"
        timeout  = "3s"
      }
    }

    service {
      name     = "salvor-nbd-server"
      provider = "nomad"
      port     = "nbd_http"
      tags     = ["metrics"]

      check {
        name     = "ready"
        type     = "http"
        path     = "/readyz"
        interval = "5s"
        timeout  = "3s"
      }
    }

    task "log-watcher" {
      driver = "docker"
      user   = "1000:1000"

      # Longer than a service gives itself to end what it has begun; the client's max_kill_timeout must allow it.
      kill_signal  = "SIGTERM"
      kill_timeout = "40s"

      config {
        image           = "salvor/log-watcher:${var.version}"
        command         = "node"
        args            = ["/salvor/log-watcher/dist/main.js"]
        ports           = ["http", "nbd", "nbd_http"]
        network_mode    = "host"
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]

        mount {
          type     = "tmpfs"
          target   = "/tmp"
          readonly = false
        }
      }

      env {
        SALVOR_NATS_SERVERS           = "${var.nats_servers}"
        SALVOR_ETCD_ENDPOINTS         = "${var.etcd_endpoints}"
        SALVOR_NATS_TLS_CA            = "${NOMAD_SECRETS_DIR}/nats-ca.pem"
        SALVOR_NATS_TLS_CERT          = "${NOMAD_SECRETS_DIR}/nats-cert.pem"
        SALVOR_NATS_TLS_KEY           = "${NOMAD_SECRETS_DIR}/nats-key.pem"
        SALVOR_NATS_NKEY_SEED_FILE    = "${NOMAD_SECRETS_DIR}/nats.seed"
        SALVOR_NATS_PEOPLE_FILE       = "${NOMAD_SECRETS_DIR}/nats-people.json"
        SALVOR_ETCD_TLS_CA            = "${NOMAD_SECRETS_DIR}/etcd-ca.pem"
        SALVOR_ETCD_TLS_CERT          = "${NOMAD_SECRETS_DIR}/etcd-cert.pem"
        SALVOR_ETCD_TLS_KEY           = "${NOMAD_SECRETS_DIR}/etcd-key.pem"
        SALVOR_ENGINE_TLS_CA          = "${NOMAD_SECRETS_DIR}/engines-ca.pem"
        SALVOR_ENGINE_TLS_CERT        = "${NOMAD_SECRETS_DIR}/engines-cert.pem"
        SALVOR_ENGINE_TLS_KEY         = "${NOMAD_SECRETS_DIR}/engines-key.pem"
        SALVOR_ENGINE_USER            = "nbd-server"
        SALVOR_ENGINE_PASSWORD_FILE   = "${NOMAD_SECRETS_DIR}/engine.password"
        SALVOR_NBD_TLS_MODE           = "required"
        SALVOR_NBD_TLS_CERT_FILE      = "${NOMAD_SECRETS_DIR}/hosts-cert.pem"
        SALVOR_NBD_TLS_KEY_FILE       = "${NOMAD_SECRETS_DIR}/hosts-key.pem"
        SALVOR_NBD_TLS_CLIENT_CA_FILE = "${NOMAD_SECRETS_DIR}/hosts-ca.pem"
        SALVOR_HTTP_HOST              = "0.0.0.0"
        SALVOR_HTTP_PORT              = "${NOMAD_PORT_http}"
        SALVOR_WATCHER_ID             = "${node.unique.name}"
        SALVOR_STATE_DIR              = "/state"
        SALVOR_SOURCES                = "[{\"kind\": \"spawn\", \"name\": \"nbd\", \"command\": [\"node\", \"/salvor/nbd-server/dist/main.js\"], \"env\": {\"SALVOR_SERVER_ID\": \"${node.unique.name}\", \"SALVOR_NATS_NKEY_SEED_FILE\": \"${NOMAD_SECRETS_DIR}/nbd-server.seed\", \"SALVOR_NBD_LISTEN\": \"tcp:0.0.0.0:${NOMAD_PORT_nbd}\", \"SALVOR_HTTP_PORT\": \"${NOMAD_PORT_nbd_http}\"}}]"
      }

      # deploy/nomad/put-secrets puts them into variables of this job.
      template {
        destination = "secrets/nats-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .nats_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .nats_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .nats_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats.seed"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .nats_seed }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-people.json"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .nats_people }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/etcd-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .etcd_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/etcd-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .etcd_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/etcd-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .etcd_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engines-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .engines_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engines-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .engines_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engines-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .engines_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engine.password"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .engine_password }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nbd-server.seed"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .nbd_server_seed }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/hosts-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .hosts_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/hosts-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .hosts_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/hosts-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-log-watcher\" }}{{ .hosts_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      volume_mount {
        volume      = "state"
        destination = "/state"
      }

      resources {
        cpu    = 500
        memory = 2048
      }
    }
  }
}
