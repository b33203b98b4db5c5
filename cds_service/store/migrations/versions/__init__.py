"""One module for each migration; a later one only adds, so that an older version of the service goes on working."""
