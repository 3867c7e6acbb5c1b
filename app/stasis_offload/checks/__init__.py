"""What the application needs, looked at from outside: each check changes nothing, and says what to do about what is missing."""
