"""What a site configures: environment variables, the site file, and the check of both."""
