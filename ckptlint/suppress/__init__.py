"""Comments that silence findings: `comments` reads them, `apply` obeys them, `write` adds them."""
