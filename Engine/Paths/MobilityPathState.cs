namespace VmMigration.Engine.Paths;

/// <summary>Where one end of a mobility path stands.</summary>
public enum MobilityPathState
{
    /// <summary>Never used.</summary>
    Invalid = 0,

    /// <summary>Made, and waits for an operation.</summary>
    Ready = 1,

    /// <summary>An operation uses it; the path goes when that ends.</summary>
    InUse = 2,

    /// <summary>Part of it could not be removed; the next opening of the host tries again.</summary>
    Failed = 3,
}
