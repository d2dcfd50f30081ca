package engine

import "slices"

// commands is the engine's part of the command table, family by family.
func commands() []*Command {
	return slices.Concat(
		transactionCommands(),
		stringCommands(),
		bitCommands(),
		hllCommands(),
		genericCommands(),
		keyspaceCommands(),
		expireCommands(),
		objectCommands(),
		sortCommands(),
		listCommands(),
		hashCommands(),
		setCommands(),
		zsetCommands(),
		geoCommands(),
		streamCommands(),
	)
}
