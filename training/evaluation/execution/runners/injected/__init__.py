"""What is laid beside a repository's tests to run them: read as text, never imported here."""
