"""The syncbucket terminal client; speaks only HTTP."""
