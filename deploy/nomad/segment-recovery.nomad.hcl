# Brings NATS and etcd back from Tier-2 when both have lost their data.
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

job "salvor-segment-recovery" {
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

  group "segment-recovery" {
    count = 1

    network {
      mode = "host"
      port "http" {}
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

    volume "tier2" {
      type   = "host"
      source = "salvor-tier2"
    }

    volume "backups" {
      type   = "host"
      source = "salvor-backups"
    }

    service {
      name     = "salvor-segment-recovery"
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

    task "segment-recovery" {
      driver = "docker"
      user   = "1000:1000"

      # Longer than a service gives itself to end what it has begun; the client's max_kill_timeout must allow it.
      kill_signal  = "SIGTERM"
      kill_timeout = "40s"

      config {
        image           = "salvor/segment-recovery:${var.version}"
        command         = "node"
        args            = ["/salvor/segment-recovery/dist/main.js"]
        ports           = ["http"]
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
        SALVOR_NATS_TLS_CA          = "${NOMAD_SECRETS_DIR}/nats-ca.pem"
        SALVOR_NATS_TLS_CERT        = "${NOMAD_SECRETS_DIR}/nats-cert.pem"
        SALVOR_NATS_TLS_KEY         = "${NOMAD_SECRETS_DIR}/nats-key.pem"
        SALVOR_NATS_NKEY_SEED_FILE  = "${NOMAD_SECRETS_DIR}/nats.seed"
        SALVOR_NATS_PEOPLE_FILE     = "${NOMAD_SECRETS_DIR}/nats-people.json"
        SALVOR_ETCD_TLS_CA          = "${NOMAD_SECRETS_DIR}/etcd-ca.pem"
        SALVOR_ETCD_TLS_CERT        = "${NOMAD_SECRETS_DIR}/etcd-cert.pem"
        SALVOR_ETCD_TLS_KEY         = "${NOMAD_SECRETS_DIR}/etcd-key.pem"
        SALVOR_ENGINE_TLS_CA        = "${NOMAD_SECRETS_DIR}/engines-ca.pem"
        SALVOR_ENGINE_TLS_CERT      = "${NOMAD_SECRETS_DIR}/engines-cert.pem"
        SALVOR_ENGINE_TLS_KEY       = "${NOMAD_SECRETS_DIR}/engines-key.pem"
        SALVOR_ENGINE_USER          = "segment-recovery"
        SALVOR_ENGINE_PASSWORD_FILE = "${NOMAD_SECRETS_DIR}/engine.password"
        SALVOR_HTTP_HOST            = "0.0.0.0"
        SALVOR_HTTP_PORT            = "${NOMAD_PORT_http}"
        SALVOR_SEGMENT_REPLICAS     = "3"
        SALVOR_TREE_ROOTS           = "/tier2,/backups"
      }

      # deploy/nomad/put-secrets puts them into variables of this job.
      template {
        destination = "secrets/nats-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .nats_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .nats_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .nats_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats.seed"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .nats_seed }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/nats-people.json"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .nats_people }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/etcd-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .etcd_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/etcd-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .etcd_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/etcd-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .etcd_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engines-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .engines_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engines-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .engines_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engines-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .engines_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      template {
        destination = "secrets/engine.password"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-segment-recovery\" }}{{ .engine_password }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "restart"
      }

      volume_mount {
        volume      = "tier2"
        destination = "/tier2"
      }

      volume_mount {
        volume      = "backups"
        destination = "/backups"
      }

      resources {
        cpu    = 500
        memory = 1024
      }
    }
  }
}
