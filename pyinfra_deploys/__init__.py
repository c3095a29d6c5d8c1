"""What the server is: one room a service, their order, and the settings they share."""
