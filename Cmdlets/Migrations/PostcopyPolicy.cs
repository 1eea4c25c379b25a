namespace VmMigration.Cmdlets;

/// <summary>
/// Whether a VM may resume at the destination before all of its memory is there. It then depends on both hosts until the last page has
/// arrived, and the migration can no longer be rolled back.
/// </summary>
public enum PostcopyPolicy
{
    /// <summary>The VM resumes only where all of its memory is.</summary>
    Never = 1,

    /// <summary>Where passes do not converge, instead of giving up.</summary>
    WhenNotConverging = 2,

    /// <summary>After the first pass, whatever is left.</summary>
    AfterFirstPass = 3,
}
