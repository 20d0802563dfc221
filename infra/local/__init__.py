"""The local stack: secrets, certificates, server settings, images, and Docker Compose around them.

Pure builders (what a file says) stand apart from the thin edge that writes files and runs commands.
"""
