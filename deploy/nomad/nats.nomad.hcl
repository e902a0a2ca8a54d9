# Three NATS servers, on the nodes that have the volume salvor-nats. The name of a node is the name of its server.
variable "version" {
  type        = string
  description = "tag of the image salvor/servers"
  default     = "latest"
}

variable "nats_routes" {
  type        = string
  description = "how the servers reach each other, quoted and comma-separated"
  default     = "\"nats-route://nats-1:6222\", \"nats-route://nats-2:6222\", \"nats-route://nats-3:6222\""
}

job "salvor-nats" {
  type        = "service"
  datacenters = ["*"]

  # One after the other, each when the last has been well for a while.
  update {
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "30s"
    healthy_deadline  = "10m"
    progress_deadline = "20m"
    auto_revert       = false
  }

  group "nats" {
    count = 3

    # On the nodes that have its volume, and so always on the same: what it knows is on their disks.
    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    network {
      mode = "host"
      port "client" {
        static = 4222
      }
      port "cluster" {
        static = 6222
      }
      port "monitor" {
        static = 8222
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
      source = "salvor-nats"
    }

    service {
      name     = "salvor-nats"
      provider = "nomad"
      port     = "monitor"
      tags     = []

      check {
        name     = "ready"
        type     = "http"
        path     = "/healthz?js-server-only=true"
        interval = "5s"
        timeout  = "3s"
      }
    }

    task "nats" {
      driver = "docker"
      user   = "1000:1000"

      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        image   = "salvor/servers:${var.version}"
        command = "nats-server"
        args = [
          "-c",
          "${NOMAD_SECRETS_DIR}/nats.conf",
        ]
        ports           = ["client", "cluster", "monitor"]
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
        destination = "secrets/nats-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .nats_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/nats-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .nats_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/nats-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .nats_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/peers-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .peers_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/peers-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .peers_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/peers-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .peers_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/nats-users.conf"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-nats\" }}{{ .nats_users }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/nats.conf"
        data        = <<-EOF
          server_name: "{{ env "node.unique.name" }}"
          listen: "0.0.0.0:{{ env "NOMAD_PORT_client" }}"
          http: "0.0.0.0:{{ env "NOMAD_PORT_monitor" }}"
          jetstream { store_dir: "/data/jetstream" }
          tls {
            ca_file: "{{ env "NOMAD_SECRETS_DIR" }}/nats-ca.pem"
            cert_file: "{{ env "NOMAD_SECRETS_DIR" }}/nats-cert.pem"
            key_file: "{{ env "NOMAD_SECRETS_DIR" }}/nats-key.pem"
            verify: true
            timeout: 5
          }
          cluster {
            name: "salvor"
            listen: "0.0.0.0:{{ env "NOMAD_PORT_cluster" }}"
            routes: [${var.nats_routes}]
            no_advertise: true
            tls {
              ca_file: "{{ env "NOMAD_SECRETS_DIR" }}/peers-ca.pem"
              cert_file: "{{ env "NOMAD_SECRETS_DIR" }}/peers-cert.pem"
              key_file: "{{ env "NOMAD_SECRETS_DIR" }}/peers-key.pem"
              verify: true
              timeout: 5
            }
          }
          include nats-users.conf
        EOF
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
        memory = 1024
      }
    }
  }
}
