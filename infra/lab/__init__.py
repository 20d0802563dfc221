"""What takes the place of the internet where there is none: not what a user deploys."""
