package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// kind is what a schema's file does not say about its CRD (kubevirt v1.9.0, pkg/virt-operator/resource/generate/components/crds.go).
type kind struct {
	group, version, name, plural string
	status                       bool
}

var kinds = []kind{
	{"kubevirt.io", "v1", "KubeVirt", "kubevirts", true},
	{"kubevirt.io", "v1", "VirtualMachine", "virtualmachines", true},
	{"kubevirt.io", "v1", "VirtualMachineInstance", "virtualmachineinstances", false},
	{"instancetype.kubevirt.io", "v1beta1", "VirtualMachineInstancetype", "virtualmachineinstancetypes", false},
}

func readDefinitions(dir string) ([]*v1.CustomResourceDefinition, error) {
	var definitions []*v1.CustomResourceDefinition
	for _, k := range kinds {
		found, err := filepath.Glob(filepath.Join(dir, strings.ToLower(k.name)+"-v*.openAPIV3Schema.json"))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%s: expected one schema of %s, found %d", dir, k.name, len(found))
		}
		text, err := os.ReadFile(found[0])
		if err != nil {
			return nil, err
		}
		var schema v1.CustomResourceValidation
		if err := json.Unmarshal(text, &schema); err != nil {
			return nil, fmt.Errorf("%s: %w", found[0], err)
		}
		definitions = append(definitions, k.definition(schema))
	}
	return definitions, nil
}

func (k kind) definition(schema v1.CustomResourceValidation) *v1.CustomResourceDefinition {
	version := v1.CustomResourceDefinitionVersion{Name: k.version, Served: true, Storage: true, Schema: &schema}
	if k.status {
		version.Subresources = &v1.CustomResourceSubresources{Status: &v1.CustomResourceSubresourceStatus{}}
	}
	return &v1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: k.plural + "." + k.group},
		Spec: v1.CustomResourceDefinitionSpec{
			Group: k.group,
			Names: v1.CustomResourceDefinitionNames{
				Plural: k.plural, Singular: strings.ToLower(k.name), Kind: k.name, ListKind: k.name + "List",
			},
			Scope:    v1.NamespaceScoped,
			Versions: []v1.CustomResourceDefinitionVersion{version},
		},
	}
}

// install creates what is missing and waits until the server serves all of it.
func install(ctx context.Context, config *rest.Config, definitions []*v1.CustomResourceDefinition) error {
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return err
	}
	crds := client.ApiextensionsV1().CustomResourceDefinitions()
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		for _, definition := range definitions {
			now, err := crds.Get(ctx, definition.Name, metav1.GetOptions{})
			if errors.IsNotFound(err) {
				if _, err = crds.Create(ctx, definition, metav1.CreateOptions{}); errors.IsInvalid(err) {
					return false, err
				}
				return false, nil
			}
			// The server is still starting.
			if err != nil || !established(now) {
				return false, nil
			}
			path := fmt.Sprintf("/apis/%s/%s/%s", now.Spec.Group, now.Spec.Versions[0].Name, now.Spec.Names.Plural)
			if client.RESTClient().Get().AbsPath(path).Do(ctx).Error() != nil {
				return false, nil
			}
		}
		return true, nil
	})
}

func established(crd *v1.CustomResourceDefinition) bool {
	for _, condition := range crd.Status.Conditions {
		if condition.Type == v1.Established && condition.Status == v1.ConditionTrue {
			return true
		}
	}
	return false
}
