namespace VmMigration.Performance.Disks;

/// <summary>A transfer that was cut, and the one that went on from what it left.</summary>
/// <param name="Fresh">What a copy of the whole disk took in the same round.</param>
/// <param name="Finish">What the second one took.</param>
/// <param name="SentBytes">Contents that the second one sent.</param>
/// <param name="ExcessBytes">How much of them had passed before the cut.</param>
internal sealed record DiskCutRun(TimeSpan Fresh, TimeSpan Finish, long SentBytes, long ExcessBytes);
