namespace VmMigration.Engine.Disks;

/// <summary>How long fragments are kept, and how much of them.</summary>
/// <param name="AgeLimit">How long each is kept.</param>
/// <param name="BytesLimit">Bytes all together may take; the oldest go first. 0 means no limit.</param>
internal sealed record FragmentRetention(TimeSpan AgeLimit, long BytesLimit)
{
    /// <summary>The fragments that are to go. Those that a transfer goes on from must not be among those given.</summary>
    /// <param name="fragments">All that are kept.</param>
    /// <param name="now">The time.</param>
    public IReadOnlyList<DiskFragment> Choose(IReadOnlyCollection<DiskFragment> fragments, DateTimeOffset now)
    {
        List<DiskFragment> gone = [];
        long bytes = fragments.Sum(fragment => fragment.AllocatedBytes);
        foreach (DiskFragment fragment in fragments.OrderBy(fragment => fragment.StoredAt))
        {
            bool tooOld = now - fragment.StoredAt > AgeLimit;
            bool tooMany = BytesLimit > 0 && bytes > BytesLimit;
            if (!tooOld && !tooMany) continue;
            gone.Add(fragment);
            bytes -= fragment.AllocatedBytes;
        }

        return gone;
    }
}
