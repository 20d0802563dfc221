// Package kubernetes stands in for Pulumi's Go SDK of Kubernetes, most of which the provider compiles and never calls:
// 26 MB of generated Go. Helm charts and YAML files, which need it, are refused.
package kubernetes

import "reflect"

// UntypedArgs are the properties of an object of a YAML file.
type UntypedArgs map[string]any

// ElementType says that they may be an input.
func (UntypedArgs) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]any]()
}
