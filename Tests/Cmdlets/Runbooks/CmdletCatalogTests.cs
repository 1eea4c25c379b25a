using VmMigration.Engine.Runbooks;

namespace VmMigration.Cmdlets.Tests;

public sealed class CmdletCatalogTests
{
    [Fact]
    public void Runbooks_may_run_this_modules_cmdlets_but_no_runbook()
    {
        Assert.Contains("Start-VmMigration", CmdletCatalog.Catalog.Names);
        Assert.DoesNotContain(CmdletCatalog.Catalog.Names, name => name.Contains("Runbook", StringComparison.Ordinal));
        Assert.False(CmdletCatalog.Catalog.TryFind("Import-Module", out _));
    }

    [Theory]
    [InlineData("New-MigrationVm", "Name", StepParameterType.Text, false, true)]
    [InlineData("New-MigrationVm", "MemoryBytes", StepParameterType.Integer, false, true)]
    [InlineData("New-MigrationVm", "Program", StepParameterType.Choice, false, false)]
    [InlineData("New-MigrationVm", "Disk", StepParameterType.Any, true, false)]
    [InlineData("New-MigrationVm", "ExtraArgument", StepParameterType.Text, true, false)]
    [InlineData("Start-VmMigration", "Vm", StepParameterType.Any, true, false)]
    [InlineData("Start-VmMigration", "VerifyMemory", StepParameterType.Boolean, false, false)]
    [InlineData("Start-VmMigration", "DowntimeLimit", StepParameterType.Duration, false, false)]
    [InlineData("Start-VmMigration", "MinVcpuShare", StepParameterType.Number, false, false)]
    [InlineData("Start-VmMigration", "Id", StepParameterType.Text, true, false)]
    public void Parameters_have_the_type_of_the_cmdlets_property(
        string cmdlet, string name, StepParameterType type, bool isList, bool isMandatory)
    {
        Assert.True(CmdletCatalog.Catalog.TryFind(cmdlet, out StepCmdlet? found));
        Assert.True(found.TryFindParameter(name, out StepParameter? parameter));
        Assert.Equal((type, isList, isMandatory), (parameter.Type, parameter.IsList, parameter.IsMandatory));
    }

    [Fact]
    public void A_runbook_cannot_make_jobs()
    {
        Assert.True(CmdletCatalog.Catalog.TryFind("Start-VmMigration", out StepCmdlet? cmdlet));
        Assert.False(cmdlet.TryFindParameter("AsJob", out _));
    }
}
