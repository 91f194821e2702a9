"""People in the loop: which pairs they should see, in which tool, and what they said."""
