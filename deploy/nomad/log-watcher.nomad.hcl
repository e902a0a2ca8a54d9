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
        SALVOR_NATS_SERVERS         = "${var.nats_servers}"
        SALVOR_ETCD_ENDPOINTS       = "${var.etcd_endpoints}"
        SALVOR_ENGINE_PASSWORD_FILE = "${NOMAD_SECRETS_DIR}/engine-password"
        SALVOR_HTTP_HOST            = "0.0.0.0"
        SALVOR_HTTP_PORT            = "${NOMAD_PORT_http}"
        SALVOR_WATCHER_ID           = "${node.unique.name}"
        SALVOR_STATE_DIR            = "/state"
        SALVOR_SOURCES              = "[{\"kind\": \"spawn\", \"name\": \"nbd\", \"command\": [\"node\", \"/salvor/nbd-server/dist/main.js\"], \"env\": {\"SALVOR_SERVER_ID\": \"${node.unique.name}\", \"SALVOR_NBD_LISTEN\": \"tcp:0.0.0.0:${NOMAD_PORT_nbd}\", \"SALVOR_HTTP_PORT\": \"${NOMAD_PORT_nbd_http}\"}}]"
      }

      # nomad var put nomad/jobs engine_password=…
      template {
        destination = "secrets/engine-password"
        data        = "{{ with nomadVar \"nomad/jobs\" }}{{ .engine_password }}{{ end }}"
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
