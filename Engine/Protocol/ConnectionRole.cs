namespace VmMigration.Engine.Protocol;

/// <summary>What a connection is for.</summary>
internal enum ConnectionRole : ushort
{
    Invalid = 0,

    /// <summary>The one conversation of a migration.</summary>
    Control = 1,

    /// <summary>Carries pages, source to destination.</summary>
    Data = 2,

    /// <summary>Asks how a migration ended, after its control connection broke.</summary>
    Outcome = 3,

    /// <summary>Takes the conversation of a post-copy up again, after its control connection broke.</summary>
    Recovery = 4,
}
