"""What is kept between runs, and the room a run works in."""
