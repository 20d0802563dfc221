// Volume-folder makes and removes the folder of a persistent volume: what the local path provisioner starts a pod for on
// the node that shall hold it. It is given the folder, size, mode and action as options; a folder has no size or mode here.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	folder := flag.String("p", "", "the folder")
	action := flag.String("a", "", "create or delete")
	flag.String("s", "", "the size")
	flag.String("m", "", "the mode of the volume")
	flag.Parse()
	if err := run(*action, *folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(action, folder string) error {
	if !filepath.IsAbs(folder) || filepath.Clean(folder) == "/" {
		return fmt.Errorf("%q is not the folder of a volume", folder)
	}
	switch action {
	case "create":
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
		// Again, because the umask took something away.
		return os.Chmod(folder, 0o777)
	case "delete":
		return os.RemoveAll(folder)
	}
	return fmt.Errorf("%q is neither create nor delete", action)
}
