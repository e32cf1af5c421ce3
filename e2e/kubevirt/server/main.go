// Kubernetes' own machinery for custom resources, with KubeVirt's CRDs in it: an apiextensions-apiserver and an etcd in
// one process. No nodes, no pods, no controllers and no webhooks; what concerns custom resources is the real thing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

type settings struct {
	state string
	crds  string
	port  int
}

func main() {
	var s settings
	flag.StringVar(&s.state, "state", "", "folder of etcd's data, the certificate and users.json")
	flag.StringVar(&s.crds, "crds", "", "folder of the schemas, <kind>-<version>.openAPIV3Schema.json")
	flag.IntVar(&s.port, "port", 0, "port on 127.0.0.1; etcd takes the two after it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.state == "" || s.crds == "" || s.port == 0 {
		return fmt.Errorf("--state, --crds and --port are needed")
	}
	definitions, err := readDefinitions(s.crds)
	if err != nil {
		return err
	}
	etcd, err := startEtcd(filepath.Join(s.state, "etcd"), s.port+1)
	if err != nil {
		return err
	}
	defer etcd.Close()
	server, err := newServer(s, etcd.Config().AdvertiseClientUrls[0].String())
	if err != nil {
		return err
	}
	prepared := server.GenericAPIServer.PrepareRun()
	go func() {
		if err := install(ctx, server.GenericAPIServer.LoopbackClientConfig, definitions); err != nil {
			fmt.Fprintln(os.Stderr, "CRDs:", err)
			os.Exit(1)
		}
		fmt.Println("ready")
	}()
	return prepared.RunWithContext(ctx)
}
