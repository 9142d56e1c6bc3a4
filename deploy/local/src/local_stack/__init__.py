"""The whole product on this machine: Kafka, MongoDB, the sandbox and all services on loopback."""
