package mmi

// names lists the packets by number, as the interface of display and unit names them. It is data, never changed.
var names = [...]string{
	0: "MMI_START_ATP", NumberDynamic: "MMI_DYNAMIC", NumberStatus: "MMI_STATUS", NumberSetTime: "MMI_SET_TIME_ATP",
	NumberTrack: "MMI_TRACK_DESCRIPTION", NumberGeoPosition: "MMI_GEO_POSITION", NumberTrainData: "MMI_CURRENT_TRAIN_DATA",
	7: "MMI_FORCED_DRIVER_REQUEST", NumberMessage: "MMI_DRIVER_MESSAGE", NumberFailure: "MMI_FAILURE_REPORT_ATP",
	NumberTrainDataEcho: "MMI_ECHOED_TRAIN_DATA", NumberRules: "MMI_CURRENT_SR_RULES", NumberRulesEcho: "MMI_ECHOED_SR_RULES",
	NumberDriver: "MMI_CURRENT_DRIVER_DATA", 15: "MMI_TEST_REQUEST", 16: "MMI_SELECT_STM_REQUEST",
	17: "MMI_STM_DATA_TO_CAB_1", 18: "MMI_STM_DATA_TO_CAB_2", 19: "MMI_RU_DATA",
	100: "MMI_START_MMI", 101: "MMI_DRIVER_REQUEST", 102: "MMI_STATUS_REPORT",
	NumberRulesConfirmed: "MMI_CONFIRMED_SR_RULES", NumberDriverNew: "MMI_NEW_DRIVER_DATA", NumberRulesNew: "MMI_NEW_SR_RULES",
	NumberTrainDataNew: "MMI_NEW_TRAIN_DATA", NumberSetTimeDisplay: "MMI_SET_TIME_MMI",
	NumberTrainConfirmed: "MMI_CONFIRMED_TRAIN_DATA", NumberMessageAck: "MMI_DRIVER_MESSAGE_ACK", 112: "MMI_NEW_RBC_DATA",
	113: "MMI_FAILURE_REPORT_MMI", 114: "MMI_TEST_RESULT", 115: "MMI_FAILURE_REPORT_ACK", 116: "MMI_SELECT_STM",
	117: "MMI_STM_DATA_FROM_CAB_1", 118: "MMI_STM_DATA_FROM_CAB_2", 119: "MMI_RU_DATA_FROM_CAB_1",
	120: "MMI_RU_DATA_FROM_CAB_2",
}

// Names gives the names by number; "" is unknown.
func Names() []string { return names[:] }

// modes and levels are those of SUBSET-026, M_MODE and M_LEVEL.
var (
	modes = [...]string{
		"Full Supervision", "On Sight", "Staff Responsible", "Shunting", "Unfitted", "Sleeping", "Stand By", "Trip", "Post Trip",
		"System Failure", "Isolation", "Non Leading", "Limited Supervision", "National System", "Reversing", "Passive Shunting",
	}
	levels = [...]string{"Level 0", "Level NTC", "Level 1", "Level 2", "Level 3"}
)

// ModeIsolation is the mode of a unit that is switched off.
const ModeIsolation = 10

// Modes gives the names of modes by number, after SUBSET-026 M_MODE.
func Modes() []string { return modes[:] }

// Levels gives the names of levels by number, after SUBSET-026 M_LEVEL; there is none for numbers beyond.
func Levels() []string { return levels[:] }
