# Three members of etcd, on the nodes that have the volume salvor-etcd. The name of a node is that of its member, and its address.
variable "version" {
  type        = string
  description = "tag of the image salvor/servers"
  default     = "latest"
}

variable "etcd_cluster" {
  type        = string
  description = "the members, as --initial-cluster of etcd has them"
  default     = "etcd-1=https://etcd-1:2380,etcd-2=https://etcd-2:2380,etcd-3=https://etcd-3:2380"
}

job "salvor-etcd" {
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

  group "etcd" {
    count = 3

    # On the nodes that have its volume, and so always on the same: what it knows is on their disks.
    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    network {
      mode = "host"
      port "client" {
        static = 2379
      }
      port "peer" {
        static = 2380
      }
      port "health" {
        static = 2381
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
      source = "salvor-etcd"
    }

    service {
      name     = "salvor-etcd"
      provider = "nomad"
      port     = "health"
      tags     = []

      check {
        name     = "ready"
        type     = "http"
        path     = "/health"
        interval = "5s"
        timeout  = "3s"
      }
    }

    task "etcd" {
      driver = "docker"
      user   = "1000:1000"

      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        image   = "salvor/servers:${var.version}"
        command = "etcd"
        args = [
          "--name=${node.unique.name}",
          "--data-dir=/data/etcd",
          "--listen-client-urls=https://0.0.0.0:${NOMAD_PORT_client}",
          "--advertise-client-urls=https://${node.unique.name}:2379",
          "--cert-file=${NOMAD_SECRETS_DIR}/etcd-cert.pem",
          "--key-file=${NOMAD_SECRETS_DIR}/etcd-key.pem",
          "--trusted-ca-file=${NOMAD_SECRETS_DIR}/etcd-ca.pem",
          "--client-cert-auth",
          "--listen-peer-urls=https://0.0.0.0:${NOMAD_PORT_peer}",
          "--initial-advertise-peer-urls=https://${node.unique.name}:2380",
          "--peer-cert-file=${NOMAD_SECRETS_DIR}/peers-cert.pem",
          "--peer-key-file=${NOMAD_SECRETS_DIR}/peers-key.pem",
          "--peer-trusted-ca-file=${NOMAD_SECRETS_DIR}/peers-ca.pem",
          "--peer-client-cert-auth",
          "--listen-metrics-urls=http://0.0.0.0:${NOMAD_PORT_health}",
          "--initial-cluster=${var.etcd_cluster}",
          "--initial-cluster-token=salvor",
          "--initial-cluster-state=new",
          "--auto-compaction-retention=1h",
          "--logger=zap",
        ]
        ports           = ["client", "peer", "health"]
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
        destination = "secrets/etcd-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-etcd\" }}{{ .etcd_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/etcd-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-etcd\" }}{{ .etcd_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/etcd-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-etcd\" }}{{ .etcd_key }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/peers-ca.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-etcd\" }}{{ .peers_ca }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/peers-cert.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-etcd\" }}{{ .peers_cert }}{{ end }}"
        perms       = "0400"
        uid         = 1000
        gid         = 1000
        change_mode = "noop"
      }

      template {
        destination = "secrets/peers-key.pem"
        data        = "{{ with nomadVar \"nomad/jobs/salvor-etcd\" }}{{ .peers_key }}{{ end }}"
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
