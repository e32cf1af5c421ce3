package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// account is one user of users.json. Without rules he may do everything; with rules, what a ClusterRole of these bound
// cluster-wide allows.
type account struct {
	Name  string `json:"name"`
	Token string `json:"token"`
	Rules []rule `json:"rules"`
}

type rule struct {
	APIGroups []string `json:"apiGroups"`
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
}

// users reads the file for each request, so that a test can take a token away.
type users struct{ path string }

func (u users) accounts() ([]account, error) {
	text, err := os.ReadFile(u.path)
	if err != nil {
		return nil, err
	}
	var accounts []account
	return accounts, json.Unmarshal(text, &accounts)
}

func (u users) AuthenticateToken(_ context.Context, token string) (*authenticator.Response, bool, error) {
	accounts, err := u.accounts()
	if err != nil {
		return nil, false, err
	}
	for _, known := range accounts {
		if known.Token == token {
			who := &user.DefaultInfo{Name: known.Name, Groups: []string{user.AllAuthenticated}}
			return &authenticator.Response{User: who}, true, nil
		}
	}
	return nil, false, nil
}

func (u users) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	// The server's own loopback client.
	if slices.Contains(a.GetUser().GetGroups(), user.SystemPrivilegedGroup) {
		return authorizer.DecisionAllow, "", nil
	}
	accounts, err := u.accounts()
	if err != nil {
		return authorizer.DecisionNoOpinion, "", err
	}
	for _, known := range accounts {
		if known.Name == a.GetUser().GetName() && known.may(a) {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (known account) may(a authorizer.Attributes) bool {
	// Discovery is open to everybody who is known.
	if known.Rules == nil || !a.IsResourceRequest() {
		return true
	}
	resource := a.GetResource()
	if a.GetSubresource() != "" {
		resource += "/" + a.GetSubresource()
	}
	return slices.ContainsFunc(known.Rules, func(r rule) bool {
		return slices.Contains(r.APIGroups, a.GetAPIGroup()) && slices.Contains(r.Resources, resource) &&
			slices.Contains(r.Verbs, a.GetVerb())
	})
}
