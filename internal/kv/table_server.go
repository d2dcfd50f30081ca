package kv

import "github.com/wayside-edge/wayside/internal/kv/engine"

// serverCommands are about the server.
func (s *Server) serverCommands() []*engine.Command {
	return []*engine.Command{
		{Name: "command", Arity: -1, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "2.8.13", Complexity: "O(N) where N is the total number of Redis commands", Summary: "Describes all commands.", Run: s.commandCmd, Sub: []*engine.Command{
			{Name: "count", Arity: 2, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "2.8.13", Complexity: "O(1)", Summary: "Counts the commands.", Run: s.commandCountCmd},
			{Name: "docs", Arity: -2, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "7.0.0", Complexity: "O(N) where N is the number of commands to look up", Summary: "Gives the documentation of commands.", Run: s.commandDocsCmd},
			{Name: "getkeys", Arity: -4, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "2.8.13", Complexity: "O(N) where N is the number of arguments to the command", Summary: "Finds the keys in a call of a command.", Run: s.commandGetkeysCmd},
			{Name: "getkeysandflags", Arity: -4, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "7.0.0", Complexity: "O(N) where N is the number of arguments to the command", Summary: "Finds the keys in a call of a command, and what it does with each.", Run: s.commandGetkeysandflagsCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "info", Arity: -2, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "2.8.13", Complexity: "O(N) where N is the number of commands to look up", Summary: "Describes some commands.", Run: s.commandInfoCmd},
			{Name: "list", Arity: -2, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "server", Since: "7.0.0", Complexity: "O(N) where N is the total number of Redis commands", Summary: "Lists the names of commands.", Run: s.commandListCmd},
		}},
		{Name: "config", Arity: -2, Group: "server", Since: "2.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about parameters.", Sub: []*engine.Command{
			{Name: "get", Arity: -3, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.0.0", Complexity: "O(N) when N is the number of configuration parameters provided", Summary: "Answers parameters with their values.", Run: s.configGetCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "server", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "resetstat", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.0.0", Complexity: "O(1)", Summary: "Begins all counts anew.", Run: s.configResetstatCmd},
			{Name: "rewrite", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.8.0", Complexity: "O(1)", Summary: "Keeps parameters in the configuration file.", Run: s.configRewriteCmd},
			{Name: "set", Arity: -4, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.0.0", Complexity: "O(N) when N is the number of configuration parameters provided", Summary: "Changes parameters.", Run: s.configSetCmd},
		}},
		{Name: "info", Arity: -1, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"dangerous"}, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Tells about the server, section by section.", Run: s.infoCmd},
		{Name: "time", Arity: 1, Flags: engine.Loading | engine.Stale | engine.Fast, Group: "server", Since: "2.6.0", Complexity: "O(1)", Summary: "Answers the time of the server.", Run: timeCmd},
		{Name: "lolwut", Arity: -1, Flags: engine.ReadOnly | engine.Fast, Group: "server", Since: "5.0.0", Complexity: "", Summary: "Answers the version, with a picture.", Run: s.lolwutCmd},
		{Name: "role", Arity: 1, Flags: engine.NoScript | engine.Loading | engine.Stale | engine.Fast, Categories: []engine.Category{"admin", "dangerous"}, Group: "server", Since: "2.8.12", Complexity: "O(1)", Summary: "Answers that the server replicates nobody.", Run: roleCmd},
		{Name: "replicaof", Arity: 3, Flags: engine.Admin | engine.NoScript | engine.Stale, Group: "server", Since: "5.0.0", Complexity: "O(1)", Summary: "Is there for NO ONE only: the server replicates nobody.", Run: replicaofCmd},
		{Name: "slaveof", Arity: 3, Flags: engine.Admin | engine.NoScript | engine.Stale, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Is the old name of REPLICAOF.", Run: replicaofCmd},
		{Name: "shutdown", Arity: -1, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale | engine.NoMulti | engine.AllowBusy, Group: "server", Since: "1.0.0", Complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)", Summary: "Ends the server, where that is allowed.", Run: s.shutdownCmd},
		{Name: "save", Arity: 1, Flags: engine.Admin | engine.NoScript | engine.NoMulti, Group: "server", Since: "1.0.0", Complexity: "O(N) where N is the total number of keys in all databases", Summary: "Writes all keys to the disk and waits for that.", Run: s.saveCmd},
		{Name: "bgsave", Arity: -1, Flags: engine.Admin | engine.NoScript, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Begins to write all keys to the disk.", Run: s.bgsaveCmd},
		{Name: "bgrewriteaof", Arity: 1, Flags: engine.Admin | engine.NoScript, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Begins the log of changes anew.", Run: s.bgrewriteaofCmd},
		{Name: "lastsave", Arity: 1, Flags: engine.Loading | engine.Stale | engine.Fast, Categories: []engine.Category{"admin", "dangerous"}, Group: "server", Since: "1.0.0", Complexity: "O(1)", Summary: "Answers when all keys were written last.", Run: s.lastsaveCmd},
		{Name: "monitor", Arity: 1, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "1.0.0", Complexity: "", Summary: "Shows the commands of all clients as they come.", Run: s.monitorCmd},
		{Name: "slowlog", Arity: -2, Group: "server", Since: "2.2.12", Complexity: "Depends on subcommand.", Summary: "Holds the commands about what took long.", Sub: []*engine.Command{
			{Name: "get", Arity: -2, Flags: engine.Admin | engine.Loading | engine.Stale, Group: "server", Since: "2.2.12", Complexity: "O(N) where N is the number of entries returned", Summary: "Lists commands that took long.", Run: s.slowlogGetCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "server", Since: "6.2.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "len", Arity: 2, Flags: engine.Admin | engine.Loading | engine.Stale, Group: "server", Since: "2.2.12", Complexity: "O(1)", Summary: "Counts the commands that took long.", Run: s.slowlogLenCmd},
			{Name: "reset", Arity: 2, Flags: engine.Admin | engine.Loading | engine.Stale, Group: "server", Since: "2.2.12", Complexity: "O(N) where N is the number of entries in the slowlog", Summary: "Forgets the commands that took long.", Run: s.slowlogResetCmd},
		}},
		{Name: "latency", Arity: -2, Group: "server", Since: "2.8.13", Complexity: "Depends on subcommand.", Summary: "Holds the commands about delays.", Sub: []*engine.Command{
			{Name: "doctor", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.8.13", Complexity: "O(1)", Summary: "Tells what is to be said about delays.", Run: s.latencyDoctorCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "server", Since: "2.8.13", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "histogram", Arity: -2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "7.0.0", Complexity: "O(N) where N is the number of commands with latency information being retrieved.", Summary: "Tells how long the runs of commands took.", Run: s.latencyHistogramCmd},
			{Name: "history", Arity: 3, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.8.13", Complexity: "O(1)", Summary: "Lists the delays of an event.", Run: s.latencyHistoryCmd},
			{Name: "latest", Arity: 2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.8.13", Complexity: "O(1)", Summary: "Lists the last delay of all events.", Run: s.latencyLatestCmd},
			{Name: "reset", Arity: -2, Flags: engine.Admin | engine.NoScript | engine.Loading | engine.Stale, Group: "server", Since: "2.8.13", Complexity: "O(1)", Summary: "Forgets delays.", Run: s.latencyResetCmd},
		}},
		{Name: "memory", Arity: -2, Group: "server", Since: "4.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about memory.", Sub: []*engine.Command{
			{Name: "doctor", Arity: 2, Group: "server", Since: "4.0.0", Complexity: "O(1)", Summary: "Gives advice about memory.", Run: s.memoryDoctorCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "server", Since: "4.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "malloc-stats", Arity: 2, Group: "server", Since: "4.0.0", Complexity: "Depends on how much memory is allocated, could be slow", Summary: "Tells what the allocator knows.", Run: s.memoryMallocStatsCmd},
			{Name: "purge", Arity: 2, Group: "server", Since: "4.0.0", Complexity: "Depends on how much memory is allocated, could be slow", Summary: "Gives memory that is free back to the system.", Run: s.memoryPurgeCmd},
			{Name: "stats", Arity: 2, Group: "server", Since: "4.0.0", Complexity: "O(1)", Summary: "Tells what memory is used for.", Run: s.memoryStatsCmd},
		}},
		{Name: "module", Arity: -2, Group: "server", Since: "4.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about modules, of which there are none.", Sub: []*engine.Command{
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "server", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "list", Arity: 2, Flags: engine.Admin | engine.NoScript, Group: "server", Since: "4.0.0", Complexity: "O(N) where N is the number of loaded modules.", Summary: "Lists the modules.", Run: moduleListCmd},
			{Name: "load", Arity: -3, Flags: engine.Admin | engine.NoScript, Group: "server", Since: "4.0.0", Complexity: "O(1)", Summary: "Is refused.", Run: moduleCmd},
			{Name: "loadex", Arity: -3, Flags: engine.Admin | engine.NoScript, Group: "server", Since: "7.0.0", Complexity: "O(1)", Summary: "Is refused.", Run: moduleCmd},
			{Name: "unload", Arity: 3, Flags: engine.Admin | engine.NoScript, Group: "server", Since: "4.0.0", Complexity: "O(1)", Summary: "Is refused.", Run: moduleCmd},
		}},
		{Name: "cluster", Arity: -2, Group: "cluster", Since: "3.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about clusters, of which this is none.", Sub: []*engine.Command{
			{Name: "countkeysinslot", Arity: 3, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "getkeysinslot", Arity: 4, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(log(N)) where N is the number of requested keys", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "info", Arity: 2, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "links", Arity: 2, Flags: engine.Stale, Group: "cluster", Since: "7.0.0", Complexity: "O(N) where N is the total number of Cluster nodes", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "myid", Arity: 2, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "nodes", Arity: 2, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(N) where N is the total number of Cluster nodes", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "replicas", Arity: 3, Flags: engine.Admin | engine.Stale, Group: "cluster", Since: "5.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "shards", Arity: 2, Flags: engine.Stale, Group: "cluster", Since: "7.0.0", Complexity: "O(N) where N is the total number of cluster nodes", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "slaves", Arity: 3, Flags: engine.Admin | engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "slots", Arity: 2, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(N) where N is the total number of Cluster nodes", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "cluster", Since: "5.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "reset", Arity: -2, Flags: engine.Admin | engine.Stale | engine.NoScript, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
			{Name: "keyslot", Arity: 3, Flags: engine.Stale, Group: "cluster", Since: "3.0.0", Complexity: "O(N) where N is the number of bytes in the key", Summary: "Answers the hash slot of a key.", Run: clusterCmd},
		}},
		{Name: "readonly", Arity: 1, Flags: engine.Fast | engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
		{Name: "readwrite", Arity: 1, Flags: engine.Fast | engine.Loading | engine.Stale, Categories: []engine.Category{"connection"}, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
		{Name: "asking", Arity: 1, Flags: engine.Fast, Categories: []engine.Category{"connection"}, Group: "cluster", Since: "3.0.0", Complexity: "O(1)", Summary: "Is there for clusters only.", Run: clusterCmd},
		{Name: "function", Arity: -2, Group: "scripting", Since: "7.0.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about functions.", Sub: []*engine.Command{
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Categories: []engine.Category{"scripting"}, Group: "scripting", Since: "7.0.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
		}},
	}
}
