package kv

import "github.com/wayside-edge/wayside/internal/kv/engine"

// pubsubCommands are about messages between clients.
func (s *Server) pubsubCommands() []*engine.Command {
	return []*engine.Command{
		{Name: "subscribe", Arity: -2, Flags: engine.PubSub | engine.NoScript | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.0.0", Complexity: "O(N) where N is the number of channels to subscribe to.", Summary: "Has the client get the messages of channels.", Run: s.subscribeCmd},
		{Name: "unsubscribe", Arity: -1, Flags: engine.PubSub | engine.NoScript | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.0.0", Complexity: "O(N) where N is the number of clients already subscribed to a channel.", Summary: "Ends what SUBSCRIBE began.", Run: s.unsubscribeCmd},
		{Name: "psubscribe", Arity: -2, Flags: engine.PubSub | engine.NoScript | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.0.0", Complexity: "O(N) where N is the number of patterns the client is already subscribed to.", Summary: "Has the client get the messages of all channels that match patterns.", Run: s.psubscribeCmd},
		{Name: "punsubscribe", Arity: -1, Flags: engine.PubSub | engine.NoScript | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.0.0", Complexity: "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total patterns subscribed in the system (by any client).", Summary: "Ends what PSUBSCRIBE began.", Run: s.punsubscribeCmd},
		{Name: "ssubscribe", Arity: -2, Flags: engine.PubSub | engine.NoScript | engine.Loading | engine.Stale, Keys: engine.Keys{First: 1, Last: -1, Step: 1}, Group: "pubsub", Since: "7.0.0", Complexity: "O(N) where N is the number of shard channels to subscribe to.", Summary: "Has the client get the messages of shard channels.", Run: s.ssubscribeCmd},
		{Name: "sunsubscribe", Arity: -1, Flags: engine.PubSub | engine.NoScript | engine.Loading | engine.Stale, Keys: engine.Keys{First: 1, Last: -1, Step: 1}, Group: "pubsub", Since: "7.0.0", Complexity: "O(N) where N is the number of clients already subscribed to a shard channel.", Summary: "Ends what SSUBSCRIBE began.", Run: s.sunsubscribeCmd},
		{Name: "publish", Arity: 3, Flags: engine.PubSub | engine.Loading | engine.Stale | engine.Fast | engine.MayReplicate, Group: "pubsub", Since: "2.0.0", Complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).", Summary: "Sends a message to a channel.", Run: s.publishCmd},
		{Name: "spublish", Arity: 3, Flags: engine.PubSub | engine.Loading | engine.Stale | engine.Fast | engine.MayReplicate, Keys: engine.Keys{First: 1, Last: 1, Step: 1}, Group: "pubsub", Since: "7.0.0", Complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.", Summary: "Sends a message to a shard channel.", Run: s.spublishCmd},
		{Name: "pubsub", Arity: -2, Group: "pubsub", Since: "2.8.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands that tell of channels.", Sub: []*engine.Command{
			{Name: "channels", Arity: -2, Flags: engine.PubSub | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.8.0", Complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)", Summary: "Lists the channels that somebody listens to.", Run: s.pubsubChannelsCmd},
			{Name: "help", Arity: 2, Flags: engine.Loading | engine.Stale, Group: "pubsub", Since: "6.2.0", Complexity: "O(1)", Summary: "Tells which subcommands there are.", Run: helpCmd},
			{Name: "numpat", Arity: 2, Flags: engine.PubSub | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.8.0", Complexity: "O(1)", Summary: "Counts the patterns that clients listen to.", Run: s.pubsubNumpatCmd},
			{Name: "numsub", Arity: -2, Flags: engine.PubSub | engine.Loading | engine.Stale, Group: "pubsub", Since: "2.8.0", Complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels", Summary: "Counts the listeners of channels.", Run: s.pubsubNumsubCmd},
			{Name: "shardchannels", Arity: -2, Flags: engine.PubSub | engine.Loading | engine.Stale, Group: "pubsub", Since: "7.0.0", Complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).", Summary: "Lists the shard channels that somebody listens to.", Run: s.pubsubShardchannelsCmd},
			{Name: "shardnumsub", Arity: -2, Flags: engine.PubSub | engine.Loading | engine.Stale, Group: "pubsub", Since: "7.0.0", Complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels", Summary: "Counts the listeners of shard channels.", Run: s.pubsubShardnumsubCmd},
		}},
	}
}
