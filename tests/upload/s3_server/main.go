// The S3 server of the tests: versitygw's front and its posix back, without its other backs, which
// would more than double the time that building takes.
//
// usage: s3_server 127.0.0.1:PORT FOLDER   (keys from ROOT_ACCESS_KEY and ROOT_SECRET_KEY)
package main

import (
	"log"
	"os"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: s3_server ADDRESS:PORT FOLDER")
	}
	store := meta.XattrMeta{}
	if err := store.Test(os.Args[2]); err != nil {
		log.Fatal(err)
	}
	back, err := posix.New(os.Args[2], store, posix.PosixOpts{NewDirPerm: 0755, Concurrency: 100})
	if err != nil {
		log.Fatal(err)
	}
	root := middlewares.RootUserConfig{
		Access: os.Getenv("ROOT_ACCESS_KEY"), Secret: os.Getenv("ROOT_SECRET_KEY")}
	users := auth.NewIAMServiceSingle(
		auth.Account{Access: root.Access, Secret: root.Secret, Role: auth.RoleAdmin})
	server, err := s3api.New(back, root, "us-east-1", users, nil, nil, nil, nil, s3api.WithQuiet(),
		s3api.WithConcurrencyLimiter(1000, 1000))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.ServeMultiPort([]string{os.Args[1]}))
}
