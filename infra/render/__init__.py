"""The program on Pulumi's own mocks: every resource it registers, in order, as plain manifests."""
