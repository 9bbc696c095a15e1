"""What is known of a job to its report: one HTML page that needs nothing beside itself. Pure."""
