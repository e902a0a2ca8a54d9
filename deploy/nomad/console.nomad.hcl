# The page for a browser, over HTTPS. Whoever reaches it may look; who has a token may act.
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

job "salvor-console" {
  type        = "service"
  datacenters = ["*"]

  # One after the other, each ready before the next; back to the last version that was when it is not.
  update {
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "10s"
    healthy_deadline  = "5m"
    progress_deadline = "10m"
    auto_revert       = true
  }

  group "console" {
    count = 1

    network {
      mode = "host"
      port "http" {}
      port "page" {
        static = 8480
      }
    }

    # For ever: what it needs may be away for long.
    restart {
      attempts = 10
      interval = "5m"
      delay    = "5s"
      mode     = "delay"
    }

    reschedule {
      delay          = "10s"
      delay_function = "exponential"
      max_delay      = "2m"
      unlimited      = true
    }

    service {
      name     = "salvor-console"
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

    task "console" {
      driver = "docker"
      user   = "1000:1000"

      # Longer than a service gives itself to end what it has begun; the client's max_kill_timeout must allow it.
      kill_signal  = "SIGTERM"
      kill_timeout = "40s"

      config {
        image           = "salvor/console:${var.version}"
        command         = "node"
        args            = ["/salvor/console/dist/main.js"]
        ports           = ["http", "page"]
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
        SALVOR_NATS_SERVERS        = "${var.nats_servers}"
        SALVOR_NATS_TLS_CA         = "${NOMAD_SECRETS_DIR}/nats-ca.pem"
        SALVOR_NATS_TLS_CERT       = "${NOMAD_SECRETS_DIR}/nats-cert.pem"
        SALVOR_NATS_TLS_KEY        = "${NOMAD_SECRETS_DIR}/nats-key.pem"
        SALVOR_NATS_NKEY_SEED_FILE = "${NOMAD_SECRETS_DIR}/nats.seed"
        SALVOR_CONSOLE_TOKENS_FILE = "${NOMAD_SECRETS_DIR}/console-tokens"
        SALVOR_PAGE_TLS_CERT       = "${NOMAD_SECRETS_DIR}/hosts-cert.pem"
        SALVOR_PAGE_TLS_KEY        = "${NOMAD_SECRETS_DIR}/hosts-key.pem"
        SALVOR_HTTP_HOST           = "0.0.0.0"
        SALVOR_HTTP_PORT           = "${NOMAD_PORT_http}"
        SALVOR_PAGE_HOST           = "127.0.0.1"
        SALVOR_PAGE_PORT           = "${NOMAD_PORT_page}"
      }

      # deploy/nomad/put-secrets puts them into variables of this job.
      template {
        destination = "secrets/nats-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .nats_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .nats_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .nats_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats.seed"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .nats_seed }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/console-tokens"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .console_tokens }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/hosts-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .hosts_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/hosts-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-console\" }}{{ .hosts_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      resources {
        cpu    = 500
        memory = 256
      }
    }
  }
}
