"""Images and audios that pairs hold: decoded once, looked at, embedded."""
