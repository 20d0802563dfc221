// Package v4 has the fields of a chart's settings that the provider reads.
package v4

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// RepositoryOpts is where a chart comes from.
type RepositoryOpts struct {
	CaFile   pulumi.AssetOrArchive
	CertFile pulumi.AssetOrArchive
	KeyFile  pulumi.AssetOrArchive
	Password *string
	Repo     *string
	Username *string
}

// RepositoryOptsInput is the same, as an input.
type RepositoryOptsInput interface{ pulumi.Input }

// PostRenderer is a command that changes what a chart renders.
type PostRenderer struct {
	Args    []string
	Command string
}

// PostRendererInput is the same, as an input.
type PostRendererInput interface{ pulumi.Input }
