# A storage engine on each of the nodes that have the volume salvor-engine: in a cluster it is <node>:6379. Members of a pair are on different ones.
variable "version" {
  type        = string
  description = "tag of the image salvor/servers"
  default     = "latest"
}

variable "engines" {
  type        = number
  description = "how many nodes have the volume"
  default     = 6
}

job "salvor-engine" {
  type        = "service"
  datacenters = ["*"]

  # One after the other. Nomad does not know whether a cluster has healed: look, and `nomad deployment pause` when it takes longer.
  update {
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "2m"
    healthy_deadline  = "10m"
    progress_deadline = "20m"
    auto_revert       = false
  }

  group "engine" {
    count = var.engines

    # On the nodes that have its volume, and so always on the same: what it knows is on their disks.
    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    network {
      mode = "host"
      port "engine" {
        static = 6379
      }
    }

    # For ever: what it needs may be away for long.
    restart {
      attempts = 10
      interval = "5m"
      delay    = "5s"
      mode     = "delay"
    }

    volume "data" {
      type   = "host"
      source = "salvor-engine"
    }

    service {
      name     = "salvor-engine"
      provider = "nomad"
      port     = "engine"
      tags     = []

      check {
        name     = "ready"
        type     = "tcp"
        interval = "5s"
        timeout  = "3s"
      }
    }

    task "engine" {
      driver = "docker"
      user   = "1000:1000"

      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        image   = "salvor/servers:${var.version}"
        command = "redis-server"
        args = [
          "--port", "0",
          "--tls-port", "${NOMAD_PORT_engine}",
          "--tls-ca-cert-file", "${NOMAD_SECRETS_DIR}/engines-ca.pem",
          "--tls-cert-file", "${NOMAD_SECRETS_DIR}/engines-cert.pem",
          "--tls-key-file", "${NOMAD_SECRETS_DIR}/engines-key.pem",
          "--tls-auth-clients", "yes",
          "--aclfile", "${NOMAD_SECRETS_DIR}/engine-users.acl",
          "--bind", "0.0.0.0",
          "--dir", "/data",
          "--daemonize", "no",
          "--save", "",
          "--appendonly", "yes",
          "--appendfsync", "always",
          "--maxmemory-policy", "noeviction",
          "--enable-debug-command", "no",
        ]
        ports           = ["engine"]
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

      # deploy/nomad/put-secrets puts them into variables of this job. A change is taken by `nomad job restart -batch-size=1`.
      template {
        destination = "secrets/engines-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-engine\" }}{{ .engines_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/engines-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-engine\" }}{{ .engines_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/engines-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-engine\" }}{{ .engines_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/engine-users.acl"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-engine\" }}{{ .engine_users }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      resources {
        cpu    = 1000
        memory = 4096
      }
    }
  }
}
