namespace VmMigration.Cmdlets;

/// <summary>Where a mobility path, or one end of it, stands.</summary>
public enum MobilityPathState
{
    /// <summary>Made, and waits for a migration.</summary>
    Ready = 1,

    /// <summary>A migration uses it; the path goes when that ends.</summary>
    InUse = 2,

    /// <summary>Part of it could not be removed; the next opening of the host tries again.</summary>
    Failed = 3,
}
