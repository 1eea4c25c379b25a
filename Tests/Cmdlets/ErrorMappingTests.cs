using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets.Tests;

public sealed class ErrorMappingTests
{
    public static TheoryData<MigrationErrorReason> Reasons => [.. Enum.GetValues<MigrationErrorReason>().Where(reason => reason != MigrationErrorReason.Invalid)];

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Every_reason_has_an_id_a_category_and_its_recommended_action(MigrationErrorReason reason)
    {
        ErrorRecord record = MigrationError.ToRecord(new MigrationException(reason, "It broke.", "Mend it."), "web01");
        Assert.Equal(reason.ToString(), record.FullyQualifiedErrorId);
        Assert.NotEqual(ErrorCategory.NotSpecified, record.CategoryInfo.Category);
        Assert.Equal(("It broke.", "Mend it."), (record.ErrorDetails.Message, record.ErrorDetails.RecommendedAction));
        Assert.Equal("web01", record.TargetObject);
    }
}
