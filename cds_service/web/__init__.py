"""The only door to Flask: discovery, hook calls, feedback, the page behind the card."""
