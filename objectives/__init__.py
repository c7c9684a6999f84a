"""What is measured on a deployed artifact, and the runtimes it is deployed to."""
