package kv

import "github.com/wayside-edge/wayside/internal/kv/engine"

// aclCommands are about who may do what.
func (s *Server) aclCommands() []*engine.Command {
	return []*engine.Command{
		{Name: "acl", Arity: -2, Group: "server", Since: "6.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about users and their rights.", Sub: []*engine.Command{
			{Name: "cat", Arity: -2, Flags: engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(1) since the categories and commands are a fixed set.", Summary: "Lists categories of commands, or the commands of one.", Run: s.aclCatCmd},
			{Name: "deluser", Arity: -3, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(1) amortized time considering the typical user.", Summary: "Deletes users and closes their connections.", Run: s.aclDeluserCmd},
			{Name: "dryrun", Arity: -4, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "7.0.0", Complexity: "O(1).", Summary: "Tells whether a user might run a command.", Run: s.aclDryrunCmd},
			{Name: "genpass", Arity: -2, Flags: engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(1)", Summary: "Answers a random password.", Run: aclGenpassCmd},
			{Name: "getuser", Arity: 3, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.", Summary: "Describes a user.", Run: s.aclGetuserCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "list", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N). Where N is the number of configured users.", Summary: "Lists all users with their rules.", Run: s.aclListCmd},
			{Name: "load", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N). Where N is the number of configured users.", Summary: "Is refused: the file of users is read at the start.", Run: s.aclLoadCmd},
			{Name: "log", Arity: -2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N) with N being the number of entries shown.", Summary: "Lists what was refused lately.", Run: s.aclLogCmd},
			{Name: "save", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N). Where N is the number of configured users.", Summary: "Writes the users to their file, which every change does too.", Run: s.aclSaveCmd},
			{Name: "setuser", Arity: -3, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N). Where N is the number of rules provided.", Summary: "Makes a user or changes its rules.", Run: s.aclSetuserCmd},
			{Name: "users", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(N). Where N is the number of configured users.", Summary: "Lists the names of all users.", Run: s.aclUsersCmd},
			{Name: "whoami", Arity: 2, Flags: engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "6.0.0", Complexity: "O(1)", Summary: "Answers which user the client is.", Run: s.aclWhoamiCmd},
		}},
	}
}
