namespace VmMigration.Engine.Protocol;

/// <summary>What a frame holds. The numbers are the wire's; see PROTOCOL.md.</summary>
internal enum FrameType : ushort
{
    Invalid = 0,

    Welcome = 1,
    Refused = 2,

    Pages = 16,
    Flush = 17,
    Flushed = 18,

    Start = 32,
    Started = 33,
    State = 34,
    StateEnd = 35,
    Verify = 36,
    Verified = 37,
    Load = 38,
    Ready = 39,
    Grant = 40,
    Resumed = 41,
    Report = 42,
    Abort = 43,
    Outcome = 44,

    PoisonedPages = 48,

    Missing = 64,
    Postcopy = 65,
    PostcopyStarted = 66,
    Request = 67,
    Alive = 68,
    Placed = 69,
    Release = 70,
    Continue = 71,

    DiskBlock = 80,
    DiskZeros = 81,
    DiskSame = 82,
    DiskPlaced = 83,

    DiskStart = 90,
    DiskPlan = 91,
    DiskDigests = 92,
    DiskWanted = 93,
    DiskProgress = 94,
    DiskFlush = 95,
    DiskComplete = 96,
    DiskStore = 97,
    DiskStored = 98,
    DiskEnded = 99,

    BringDisk = 128,
    DiskPlace = 129,
    DiskArrived = 130,
    DiskTaken = 131,
    PrepareVm = 132,
    VmPrepared = 133,
    DisksMirrored = 134,
    DisksClosed = 135,
}
